// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require glimpse.page as page';
'require glimpse.rpc as glimpse';
'require glimpse.words as words';

/* The box on LuCI's start page: verdict, three figures, one link. It stays away where the login may not ask. */

return baseclass.extend({
	title: _('Internet quality'),

	load: () => glimpse.status().catch(error => error),

	render({ verdict, kind, message }) {
		if (!verdict)
			return kind == 'denied' ? null : E('p', {}, [message]);

		return E('div', {}, [
			page.div('gl-answer', [words.mark(verdict.overall, words.sentence(verdict))]),
			E('p', {}, [verdict.figures.filter(f => f.value != null).slice(0, 3).map(f => words.figure(f.figure) + ' ' + words.value(f.value, f.unit)).join(' · ')]),
			page.link(_('Show history and find faults'), 'overview')
		]);
	}
});
