"""What to decide: plain synchronous code that takes facts and returns a decision."""
