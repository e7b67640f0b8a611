"""One file a backend, named as `--backend` names it; imported when it is asked for."""
