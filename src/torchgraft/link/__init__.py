"""Whether libraries link with a torch.

May not load one, start one, or trust what stands in it. Others use `modules`, which reads what is checked, `libraries`,
which reads what there is to link with, `plan_link`, which compares both, and the types of `linkage`.
"""
