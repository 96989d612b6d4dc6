"""Models as judges: a benchmark run over contestants, and verdicts on what they answered."""
