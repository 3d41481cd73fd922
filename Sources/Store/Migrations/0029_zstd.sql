-- From here on messages are kept as frames of Zstandard, where they were in zlib's format, which is still read. A program that knows
-- no more than the steps before this one could not read them, and does not start.
comment on table blob is 'Raw messages kept here, compressed by zstd; those from before by zlib.';
