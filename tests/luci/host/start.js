// SPDX-License-Identifier: Apache-2.0
'use strict';
'require view';
'require dom';
'require poll';
'require fs';

/* LuCI's start page: the boxes that lie in `view/status/include`, each with a title, drawn anew at every poll. */
return view.extend({
	__name__: 'view.start',

	async load() {
		const path = L.resource('view/status/include');
		const files = await fs.list(`/www${path}`);
		return Promise.all(files.filter(file => /\.js$/.test(file.name))
			.map(file => L.require(`view.status.include.${file.name.replace(/\.js$/, '')}`)));
	},

	async render(boxes) {
		const rows = boxes.map(box => ({ box, place: E('div') }));
		const draw = () => Promise.all(rows.map(async ({ box, place }) => {
			const data = await Promise.resolve(box.load ? box.load() : null).catch(() => null);
			const content = await box.render(data);
			if (content != null)
				dom.content(place, [ content ]);
		}));
		poll.add(draw);
		await draw();
		return E([], rows.map(({ box, place }) => E('div', { 'class': 'cbi-section', 'data-title': box.title },
			[ E('div', { 'class': 'cbi-title' }, [ E('h3', [ box.title ]) ]), place ])));
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
