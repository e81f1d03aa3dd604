"""The steps that every management call takes, from any door."""
