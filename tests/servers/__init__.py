"""Servers for the tests: scripted bytes (`raw`, `faults`), a web application (`app`) and httpbin (`httpbin`)."""
