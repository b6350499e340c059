"""The HTTP of the service: doors for senders, pages of JSON for responders, and what operation needs."""
