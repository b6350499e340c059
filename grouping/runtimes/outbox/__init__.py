"""Delivers notices to subscriptions over HTTP: at least once, in order per incident, from a position on disk."""
