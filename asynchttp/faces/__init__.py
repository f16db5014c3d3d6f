"""How people hold it: the client and its verbs, the progress bar, the command line."""
