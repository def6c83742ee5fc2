/*
 * status.c: names, texts and errno values of status codes, from abi/errors.def.
 */
#include <errno.h>
#include <quire.h>

static const struct {
    status_t status;
    const char *name, *text;
} codes[] = {
    { OK, "OK", "no error" },
#define ERROR(name, value, meaning) { value, "ERR_" #name, meaning },
#include "abi/errors.def"
#undef ERROR
};

const char *status_name(status_t status)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].status == status)
            return codes[i].name;
    return "ERR_UNKNOWN";
}

const char *status_text(status_t status)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].status == status)
            return codes[i].text;
    return "unknown status";
}

int status_errno(status_t status)
{
    switch (status) {
    case OK:                    return 0;
    case ERR_NOT_SUPPORTED:     return ENOTSUP;
    case ERR_NO_RESOURCES:      return EAGAIN;
    case ERR_NO_MEMORY:         return ENOMEM;
    case ERR_BAD_HANDLE:        return EBADF;
    case ERR_WRONG_TYPE:        return EBADF;
    case ERR_BAD_SYSCALL:       return ENOSYS;
    case ERR_OUT_OF_RANGE:      return EOVERFLOW;
    case ERR_BUFFER_TOO_SMALL:  return ERANGE;
    case ERR_TIMED_OUT:         return ETIMEDOUT;
    case ERR_SHOULD_WAIT:       return EAGAIN;
    case ERR_CANCELED:          return EINTR;
    case ERR_PEER_CLOSED:       return EPIPE;
    case ERR_NOT_FOUND:         return ENOENT;
    case ERR_ALREADY_EXISTS:    return EEXIST;
    case ERR_UNAVAILABLE:       return ENODEV;
    case ERR_ACCESS_DENIED:     return EACCES;
    case ERR_NO_SPACE:          return ENOSPC;
    case ERR_INVALID_ARGS:      return EINVAL;
    default:                    return EIO;
    }
}
