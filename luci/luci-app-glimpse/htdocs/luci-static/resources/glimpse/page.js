// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require dom';
'require poll';
'require ui';
'require glimpse.words as words';

/* What every page has: head, style, failures in words, refresh in place, rights of the session. */

const BASE = L.url('admin/status/glimpse') + '/';

document.head.append(E('link', { rel: 'stylesheet', href: L.resource('glimpse/style.css') + '?v=' + L.env.resource_version }));

function mayWrite() {
	return L.hasViewPermission() !== false;
}

function notice(kind, children) {
	return E('div', { class: 'alert-message ' + kind, role: 'status' }, children);
}

/* Commands stand between the words of a sentence as `%s`. */
function hint(text, ...commands) {
	return E('li', {}, text.split('%s').reduce((all, part, i) => all.concat(i ? E('code', {}, [commands[i - 1]]) : '', part), []));
}

/* What went wrong, and what to do. */
function failure(error) {
	if (error.kind != 'absent')
		return notice('warning', [error.message]);

	return notice('warning', [
		E('h4', {}, [error.message]),
		E('ul', { class: 'gl-lines' }, [
			hint(_('Not installed? By %s or, from OpenWrt 25.12 on, %s.'), 'opkg update; opkg install glimpse-agent', 'apk update; apk add glimpse-agent'),
			hint(_('Not started? Under System, Startup, or by %s.'), '/etc/init.d/glimpse-agent start'),
			hint(_('It ends by itself? The reason stands in the log: %s'), 'logread -e glimpse')
		])
	]);
}

return baseclass.extend({
	mayWrite, notice, failure,
	url: name => BASE + name,
	div: (kind, children) => E('div', { class: kind }, children),
	notify: error => ui.addNotification(null, E('p', {}, [error.message || error]), 'warning'),
	refused: node => error => dom.content(node, [words.mark('poor', error.message)]),
	section: (title, children) => E('div', { class: 'cbi-section' }, [E('h3', {}, [title])].concat(children)),
	details: (label, children) => E('details', {}, [E('summary', {}, [label])].concat(children)),

	/* A link to another page of this application; of a `kind`, it looks like a button. */
	link: (label, name, kind) => E('a', { class: kind ? 'btn cbi-button cbi-button-' + kind : null, href: BASE + name }, [label]),

	/* A page: title, what stands at its right, and what follows. */
	frame: (title, children, aside) => E('div', { class: 'gl-page' }, [
		E('div', { class: 'gl-head' }, [E('h2', {}, [title]), aside || '']),
		mayWrite() ? '' : notice('notice', [_('Your login may only look: buttons that change something are off.')])
	].concat(children)),

	/* A button; one that changes the router or sends packets has a `kind`, and is off in a read-only session. */
	button(label, kind, run) {
		return E('button', { class: 'btn cbi-button cbi-button-' + (kind || 'neutral'), type: 'button',
			disabled: !kind || mayWrite() ? null : '', click: ui.createHandlerFn(this, run) }, [label]);
	},

	/* `rows` are of lists of children, one a cell; the titles stand beside the cells on a phone. */
	table: (titles, rows) => E('table', { class: 'table' }, [
		E('tr', { class: 'tr table-titles' }, titles.map(title => E('th', { class: 'th' }, [title])))
	].concat(rows.map(row => E('tr', { class: 'tr' }, row.map((cell, i) => E('td', { class: 'td', 'data-title': titles[i] }, cell)))))),

	/* Rows of a name and what it is. */
	facts: rows => E('dl', { class: 'gl-facts' }, [].concat(...rows.map(([name, ...children]) => [E('dt', {}, [name]), E('dd', {}, children)]))),

	/* Builds anew what stands in `node` if `key` has changed; the focus and open details stay where they were. */
	update(node, key, build) {
		const text = JSON.stringify(key);
		const parts = () => Array.from(node.querySelectorAll('a, button, select, summary, details, [tabindex]'));

		if (node.glKey === text)
			return;

		const before = parts(), focus = before.indexOf(document.activeElement);

		node.glKey = text;
		dom.content(node, build());
		parts().forEach((part, i) => {
			if (before[i] && before[i].open)
				part.open = true;
			if (i == focus)
				part.focus();
		});
	},

	/*
	 * Asks now and every `seconds`, and draws what came; while nothing comes, what was drawn stays, and `place`
	 * says how old it is and why. The promise is kept when the first answer, or failure, has been drawn.
	 */
	live(place, ask, draw, seconds) {
		let last = null;
		const turn = () => ask().then(answer => {
			last = Date.now();
			this.update(place, null, () => []);
			return draw(answer);
		}).catch(error => this.update(place, [error.message, last && words.relative(last)], () => [
			failure(error),
			E('p', {}, [last ? _('What you see below is from:') : _('This page looks again by itself.'), ' ', last ? words.ago(last) : ''])
		]));

		poll.add(turn, seconds);
		return turn();
	},

	/* Hands text to the browser as a file. */
	save(name, parts) {
		const url = URL.createObjectURL(new Blob(parts));

		E('a', { href: url, download: name }).click();
		URL.revokeObjectURL(url);
	},

	/* What leaves the house, for whom, how much; shown wherever consent is given or withdrawn. */
	consent: () => E('ul', { class: 'gl-lines' }, [
		_('Others ask this router to measure: delay, paths, name look-ups, its Wi-Fi, at times speed.'),
		_('Results, kind of line and public address go to the controller you join, and to nobody else.'),
		_('What you do on the Internet is not looked at: no pages, no names, no contents.'),
		_('Never more than your monthly cap; over mobile lines only if you allow it.'),
		_('Published are figures of many households together, never yours alone.'),
		_('You can stop at any time, at once, and have what was collected forgotten.')
	].map(line => E('li', {}, [line])))
});
