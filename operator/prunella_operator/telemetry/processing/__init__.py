"""Items of OTLP to rows: sums over windows of 10 s, in columns (polars)."""
