"""Entry point of `python hack/demo`: the folder is a script; its code is the package next to this file."""

from walkthrough.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
