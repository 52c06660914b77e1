"""The kill test: every process of a whole installation dies at random, and nothing is lost or counted twice."""
