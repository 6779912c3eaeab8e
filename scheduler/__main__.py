"""`python -m scheduler`: the same as the console script."""

from scheduler import cli

if __name__ == "__main__":
    cli.main()
