"""Entry point of `python -m prunella_orders`."""

from prunella_orders.cli import app

if __name__ == "__main__":
    app()
