"""How good an estimate is: scores of stems against their references."""
