"""Back-ends: each file makes one kind of callable a classifier. Nothing outside this folder sees preprocessing."""
