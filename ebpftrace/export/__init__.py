"""Pictures as text and as data: one file a format, no capture behind them."""
