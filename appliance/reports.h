/* Every `show`: what control and the packet path know, as rows. */
#ifndef APPLIANCE_REPORTS_H
#define APPLIANCE_REPORTS_H

#include "appliance/control.h"

/* As struct appliance: report, lookup, with the control as context. */
int reports_show(void *control, enum topic topic, const struct filter *filter,
		 struct report **ret_report, char *error, size_t error_size);
int reports_lookup(void *control, const struct tuple_question *question,
		   struct report **ret_report, char *error, size_t error_size);
/* As if the candidate were in force. */
int reports_lookup_in(void *control, const struct config *candidate,
		      const struct tuple_question *question, struct report **ret_report,
		      char *error, size_t error_size);

#endif
