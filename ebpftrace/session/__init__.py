"""The capture half put together: processes, plans, probes and the poller behind a PictureSource."""
