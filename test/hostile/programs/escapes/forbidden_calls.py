import tries


def handler(event):
    """Calls into parts of the kernel with many past holes, or that are the administrator's, all with arguments of 0.

    What gets as far as the kernel itself would be told by EFAULT, EINVAL and the like, or by a result.
    """
    return tries.outcomes({
        name: lambda name=name: tries.call(event['numbers'][name], 0, 0, 0, 0, 0, 0)
        for name in event['names']
        if name in event['numbers']
    })
