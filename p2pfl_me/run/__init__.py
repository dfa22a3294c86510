"""What a run leaves behind: its folder's paths and the typed lines of its logs. Nothing here computes or draws."""
