"""The commands: one file each, holding `command`. A file is loaded only when its command is called."""
