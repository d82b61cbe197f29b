"""What accounts have used: counted from the rows of calls, recordings and numbers whenever somebody asks.

Nothing is charged, so every price is nought. Days are UTC days; a call belongs to the day on which it ended.
"""
