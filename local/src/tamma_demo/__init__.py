"""The demo: brings the whole system up and sends a recording through it, as the front end would."""
