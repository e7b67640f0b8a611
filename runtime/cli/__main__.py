"""`python -m runtime.cli`: what msrun starts."""

from runtime.cli.app import main

main()
