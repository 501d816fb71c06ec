"""Does the fault persist, and did the repair help?"""
