"""Train what explanations need: samplers, bottlenecks, counterfactual generators and small classifiers."""
