"""What a command shows while peers run: lines, a table, an event in words. It reads nothing but their logs."""
