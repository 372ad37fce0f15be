// SPDX-License-Identifier: Apache-2.0
'use strict';
'require dom';
'require ui';
'require baseclass';

const base = window.__host.base;
const maps = () => Array.from(document.getElementById('maincontent').querySelectorAll('.cbi-map'));
const all = method => Promise.all(maps().map(map => dom.callClassMethod(map, method)));

const View = baseclass.extend({
	__name__: 'view',

	__init__() {
		const place = document.getElementById('view');
		dom.content(place, [ E('div', { 'class': 'spinning' }, [ base('Loading view…') ]) ]);

		window.__host.view = Promise.resolve(this.load())
			.then(data => this.render(data))
			.then(nodes => {
				dom.content(place, nodes);
				dom.append(place, this.addFooter());
				document.dispatchEvent(new CustomEvent('host-view-ready'));
			})
			.catch(error => L.error(error));
	},

	load() {},
	render() {},

	handleSave() {
		return all('save');
	},

	handleSaveApply(event, mode) {
		return this.handleSave(event).then(() => ui.changes.apply(mode == '0'));
	},

	handleReset() {
		return all('reset');
	},

	addFooter() {
		const bound = maps().map(map => dom.findClassInstance(map)).filter(map => map);
		const readonly = bound.length ? bound.every(map => map.readonly) : !L.hasViewPermission();
		const button = (name, style, label, ...given) => this[name] ? E('button', {
			'class': `btn cbi-button cbi-button-${style}`,
			'click': ui.createHandlerFn(this, name, ...given),
			'disabled': readonly || null
		}, [ label ]) : null;
		/* The handler's arguments are the event, then the mode; createHandlerFn puts the event last. */
		const apply = this.handleSaveApply ? E('button', {
			'class': 'btn cbi-button cbi-button-apply important',
			'click': ui.createHandlerFn({ apply: event => this.handleSaveApply(event, '0') }, 'apply'),
			'disabled': readonly || null
		}, [ base('Save & Apply') ]) : null;
		const buttons = [
			apply,
			button('handleSave', 'save', base('Save')),
			button('handleReset', 'reset', base('Reset'))
		].filter(node => node);

		return buttons.length ? E('div', { 'class': 'cbi-page-actions' }, buttons) : E([]);
	}
});

return View;
