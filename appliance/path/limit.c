#include "appliance/path/limit.h"

#define TOKEN_NS UINT64_C(10000000) /* one comes back every so often */

_Static_assert(TOKEN_NS * LIMIT_PER_SECOND == UINT64_C(1000000000), "the rate is TOKEN_NS's");

bool limiter_take(struct limiter *limiter, uint64_t now_ns)
{
	const uint64_t full_ns = limiter->full_ns > now_ns ? limiter->full_ns : now_ns;

	if (full_ns - now_ns > (LIMIT_BURST - 1) * TOKEN_NS)
		return false;
	limiter->full_ns = full_ns + TOKEN_NS;
	return true;
}
