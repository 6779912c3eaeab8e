"""`kubectl locality`: what the scheduler decided, why, and what if, told to people through their own rights."""
