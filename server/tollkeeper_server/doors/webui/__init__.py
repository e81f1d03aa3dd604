"""The console application of `webui/`, served below `/admin/`."""
