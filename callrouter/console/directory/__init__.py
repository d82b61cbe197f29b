"""The pages of what is configured: numbers, applications, senders, keys, accounts, carriers and their routes.

They go by the same functions as REST and the command line, so the same is refused, in the same words.
"""
