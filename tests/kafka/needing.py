"""Imported first by what needs the Kafka client."""

from __future__ import annotations

from tests.kafka import needed

needed.client()
