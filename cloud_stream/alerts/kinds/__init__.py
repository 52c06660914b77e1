"""The kinds of rules: a module each, with the rule, its condition, and what it remembers of a subject."""
