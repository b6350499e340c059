"""Speed, memory and quality, measured. Every figure in the docs is written from here."""
