"""`python -m conlst`, for machines where the script is not on the path."""

from conlst.cli import main

if __name__ == "__main__":
    main()
