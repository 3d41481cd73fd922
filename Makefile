# Every command works on a fresh Debian 12 machine that has Swift, as root or with sudo; what else is
# missing is installed by apt (.ci/install says what).
#
#   make demo    a mail server, an SMTP server and Restante before them, with lines to paste
#   make run     Restante alone, with a mailbox of its own, and lines to paste   (ARGS="--listen HOST:PORT …")
#   make test    builds and runs all tests                    (ARGS="--filter IMAP")
#   make lint    formatting, layers, doc comments
#   make bench   the figures of docs/benchmarks.md, as ratios in one run
#   make soak    100,000 random Sieve cases against Pigeonhole (CASES=100000), 10,000 random operations a kind
#                of server (OPERATIONS=10000), 1,000 kills of the service (KILLS=1000) while 10,000 messages are
#                brought to it (DELIVERIES=10000) and while it downloads by POP3 and IMAP and imports, then the
#                demo under mixed use for MINUTES=60; fails on a difference, a loss, an error or growing memory
#   make fuzz    the mutation tests of every parser, with SECONDS=60 each

SWIFT ?= swift
MINUTES ?= 60
OPERATIONS ?= 10000
CASES ?= 100000
DELIVERIES ?= 10000
KILLS ?= 1000
SECONDS ?= 60
ARGS ?=
export SWIFT

.PHONY: demo run test lint bench soak fuzz clean

demo:
	@.ci/install test
	@exec .ci/demo.sh

run:
	@.ci/install test
	timeout -k 10 1500 $(SWIFT) build -c release --static-swift-stdlib --product restante
	exec .build/release/restante serve --welcome --smtp-listen 127.0.0.1:2525 $(ARGS)

test:
	@.ci/install test
	@.ci/test $(ARGS)

lint:
	@.ci/install test
	@.ci/lint

bench:
	@.ci/install bench
	@Benchmarks/bench.sh

soak:
	@.ci/install test
	@RESTANTE_SIEVE_CASES=$(CASES) TEST_LIMIT=10800 .ci/test --filter SieveDifferential
	@RESTANTE_RULE_CASES=$(CASES) TEST_LIMIT=10800 .ci/test --filter EquivalenceTests
	@RESTANTE_OPERATIONS=$(OPERATIONS) TEST_LIMIT=10800 .ci/test --filter SyncProperty
	@RESTANTE_DELIVERIES=$(DELIVERIES) RESTANTE_KILLS=$(KILLS) TEST_LIMIT=3600 .ci/test --filter MailListenerTests
	@RESTANTE_KILLS=$(KILLS) TEST_LIMIT=10800 .ci/test --filter KillTests
	@Benchmarks/soak.sh $(MINUTES)

# Not coverage-guided: random mutations of good inputs, from a seed that a failure prints. The same
# tests run in `make test` for an instant each.
fuzz:
	@.ci/install test
	@RESTANTE_FUZZ_SECONDS=$(SECONDS) TEST_LIMIT=3600 .ci/test --filter Mutation

clean:
	rm -rf .build .demo
