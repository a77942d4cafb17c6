"""The Image API: the grammar of requests, their geometry, the files behind them, the pixels."""
