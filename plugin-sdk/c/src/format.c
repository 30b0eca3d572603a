/* Alone in its file: printf is large, and linked only where mig_format is called. */
#include <stdarg.h>
#include <stdio.h>

#include "sdk.h"

const char *mig_format(const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    size_t size = len > 0 ? (size_t)len + 1 : 1;
    char *text = mig_arena_alloc(&mig_batch, size, 1);
    text[0] = '\0';
    if (len > 0)
        vsnprintf(text, size, format, again);
    va_end(again);
    return text;
}
