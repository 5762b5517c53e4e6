"""FreeSWITCH as the rest of fsrec sees it."""
