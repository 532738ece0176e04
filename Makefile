# The names that make users expect; npm does the work.
.PHONY: test-all test check bench

test-all test:
	npm test

check:
	npm run check

bench:
	npm run bench
