"""Recordings that are older than their account keeps them go: their files, never what is known of them."""
