"""What the tests stand on: switches (live and soft), a caller, a callback receiver, ears for recordings."""
