#include "appliance/path/limit.h"

#define SECOND UINT64_C(1000000000)

bool limiter_take(struct limiter *limiter, uint64_t now_ns)
{
	uint64_t *oldest = &limiter->free_ns[limiter->next];

	if (now_ns < *oldest)
		return false;
	*oldest = now_ns + SECOND;
	limiter->next = (limiter->next + 1) % LIMIT_PER_SECOND;
	return true;
}
