# The names that make users expect; npm does the work.
.PHONY: test-all test check bench

test:
	npm test

test-all:
	npm run test:all

check:
	npm run check

bench:
	npm run bench
