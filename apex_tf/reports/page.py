"""Sections as a page of HTML that stands alone.

Pictures are inside it, it has no scripts, and it asks the network for nothing.
"""

import base64
import os
from typing import Callable, Sequence

import jinja2

from apex_tf.reports import section

_TEMPLATE = 'page.html'


def render(title: str, sections: Sequence[section.Section], made: str,
           draw: Callable[[section.Picture], bytes]) -> str:
  """The page.

  Args:
    title: of all.
    sections: in order.
    made: says when and by what it was made.
    draw: makes a PNG of a picture.
  """
  environment = jinja2.Environment(
      loader=jinja2.FileSystemLoader(os.path.dirname(__file__)),
      autoescape=True, undefined=jinja2.StrictUndefined)
  return environment.get_template(_TEMPLATE).render(
      title=title, sections=sections, made=made,
      base64=lambda picture: base64.b64encode(draw(picture)).decode())
