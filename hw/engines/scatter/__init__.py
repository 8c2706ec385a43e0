"""The scatter stage: winners times weight rows, into accumulators of whole complementary sets."""
