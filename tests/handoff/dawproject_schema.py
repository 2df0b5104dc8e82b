"""The rules of DAWproject 1.0 for what stemkit writes, restated.

They are those of Project.xsd and MetaData.xsd in https://github.com/bitwig/dawproject (commit
ee4dcdd) for the elements below; whatever else those allow is refused here. What kind of element an
id is of only its Java classes say (Channel.destination, Timeline.track).
"""

import xml.etree.ElementTree as ET

from lxml import etree

_PROJECT = """
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:attributeGroup name="named">
    <xs:attribute name="name" type="xs:string"/>
    <xs:attribute name="color" type="xs:string"/>
    <xs:attribute name="comment" type="xs:string"/>
  </xs:attributeGroup>
  <xs:attributeGroup name="referable">
    <xs:attributeGroup ref="named"/>
    <xs:attribute name="id" type="xs:ID"/>
  </xs:attributeGroup>
  <xs:attributeGroup name="timed">
    <xs:attributeGroup ref="referable"/>
    <xs:attribute name="timeUnit" type="timeUnit"/>
    <xs:attribute name="track" type="xs:IDREF"/>
  </xs:attributeGroup>
  <xs:simpleType name="timeUnit">
    <xs:restriction base="xs:string">
      <xs:enumeration value="beats"/><xs:enumeration value="seconds"/>
    </xs:restriction>
  </xs:simpleType>
  <xs:simpleType name="unit">
    <xs:restriction base="xs:string">
      <xs:enumeration value="linear"/><xs:enumeration value="normalized"/>
      <xs:enumeration value="percent"/><xs:enumeration value="decibel"/>
      <xs:enumeration value="hertz"/><xs:enumeration value="semitones"/>
      <xs:enumeration value="seconds"/><xs:enumeration value="beats"/>
      <xs:enumeration value="bpm"/>
    </xs:restriction>
  </xs:simpleType>
  <xs:simpleType name="role">
    <xs:restriction base="xs:string">
      <xs:enumeration value="regular"/><xs:enumeration value="master"/>
      <xs:enumeration value="effect"/><xs:enumeration value="submix"/>
      <xs:enumeration value="vca"/>
    </xs:restriction>
  </xs:simpleType>
  <xs:simpleType name="content">
    <xs:restriction base="xs:string">
      <xs:enumeration value="audio"/><xs:enumeration value="automation"/>
      <xs:enumeration value="notes"/><xs:enumeration value="video"/>
      <xs:enumeration value="markers"/><xs:enumeration value="tracks"/>
    </xs:restriction>
  </xs:simpleType>
  <xs:simpleType name="contents"><xs:list itemType="content"/></xs:simpleType>
  <xs:complexType name="real">
    <xs:attributeGroup ref="referable"/>
    <xs:attribute name="parameterID" type="xs:int"/>
    <xs:attribute name="max" type="xs:string"/>
    <xs:attribute name="min" type="xs:string"/>
    <xs:attribute name="unit" type="unit" use="required"/>
    <xs:attribute name="value" type="xs:string"/>
  </xs:complexType>
  <xs:complexType name="bool">
    <xs:attributeGroup ref="referable"/>
    <xs:attribute name="parameterID" type="xs:int"/>
    <xs:attribute name="value" type="xs:boolean"/>
  </xs:complexType>
  <xs:complexType name="channel">
    <xs:sequence>
      <xs:element name="Mute" type="bool" minOccurs="0"/>
      <xs:element name="Pan" type="real" minOccurs="0"/>
      <xs:element name="Volume" type="real" minOccurs="0"/>
    </xs:sequence>
    <xs:attributeGroup ref="referable"/>
    <xs:attribute name="audioChannels" type="xs:int"/>
    <xs:attribute name="destination" type="xs:IDREF"/>
    <xs:attribute name="role" type="role"/>
    <xs:attribute name="solo" type="xs:boolean"/>
  </xs:complexType>
  <xs:complexType name="track">
    <xs:sequence>
      <xs:element name="Channel" type="channel" minOccurs="0"/>
      <xs:element name="Track" type="track" minOccurs="0" maxOccurs="unbounded"/>
    </xs:sequence>
    <xs:attributeGroup ref="referable"/>
    <xs:attribute name="contentType" type="contents"/>
    <xs:attribute name="loaded" type="xs:boolean"/>
  </xs:complexType>
  <xs:complexType name="audio">
    <xs:sequence>
      <xs:element name="File">
        <xs:complexType>
          <xs:attribute name="path" type="xs:string" use="required"/>
          <xs:attribute name="external" type="xs:boolean"/>
        </xs:complexType>
      </xs:element>
    </xs:sequence>
    <xs:attributeGroup ref="timed"/>
    <xs:attribute name="duration" type="xs:double" use="required"/>
    <xs:attribute name="algorithm" type="xs:string"/>
    <xs:attribute name="channels" type="xs:int" use="required"/>
    <xs:attribute name="sampleRate" type="xs:int" use="required"/>
  </xs:complexType>
  <xs:complexType name="clip">
    <xs:choice minOccurs="0">
      <xs:element name="Audio" type="audio"/>
      <xs:element name="Clips" type="clips"/>
    </xs:choice>
    <xs:attributeGroup ref="named"/>
    <xs:attribute name="time" type="xs:double" use="required"/>
    <xs:attribute name="duration" type="xs:double"/>
    <xs:attribute name="contentTimeUnit" type="timeUnit"/>
    <xs:attribute name="playStart" type="xs:double"/>
    <xs:attribute name="playStop" type="xs:double"/>
    <xs:attribute name="enable" type="xs:boolean"/>
  </xs:complexType>
  <xs:complexType name="clips">
    <xs:sequence>
      <xs:element name="Clip" type="clip" minOccurs="0" maxOccurs="unbounded"/>
    </xs:sequence>
    <xs:attributeGroup ref="timed"/>
  </xs:complexType>
  <xs:complexType name="lanes">
    <xs:choice minOccurs="0" maxOccurs="unbounded">
      <xs:element name="Lanes" type="lanes"/>
      <xs:element name="Clips" type="clips"/>
    </xs:choice>
    <xs:attributeGroup ref="timed"/>
  </xs:complexType>
  <xs:complexType name="markers">
    <xs:sequence>
      <xs:element name="Marker" maxOccurs="unbounded">
        <xs:complexType>
          <xs:attributeGroup ref="named"/>
          <xs:attribute name="time" type="xs:double" use="required"/>
        </xs:complexType>
      </xs:element>
    </xs:sequence>
    <xs:attributeGroup ref="timed"/>
  </xs:complexType>
  <xs:element name="Project">
    <xs:complexType>
      <xs:sequence>
        <xs:element name="Application">
          <xs:complexType>
            <xs:attribute name="name" type="xs:string" use="required"/>
            <xs:attribute name="version" type="xs:string" use="required"/>
          </xs:complexType>
        </xs:element>
        <xs:element name="Transport" minOccurs="0">
          <xs:complexType>
            <xs:sequence><xs:element name="Tempo" type="real" minOccurs="0"/></xs:sequence>
          </xs:complexType>
        </xs:element>
        <xs:element name="Structure" minOccurs="0">
          <xs:complexType>
            <xs:sequence>
              <xs:element name="Track" type="track" minOccurs="0" maxOccurs="unbounded"/>
            </xs:sequence>
          </xs:complexType>
        </xs:element>
        <xs:element name="Arrangement" minOccurs="0">
          <xs:complexType>
            <xs:sequence>
              <xs:element name="Lanes" type="lanes" minOccurs="0"/>
              <xs:element name="Markers" type="markers" minOccurs="0"/>
            </xs:sequence>
            <xs:attributeGroup ref="referable"/>
          </xs:complexType>
        </xs:element>
        <xs:element name="Scenes" minOccurs="0"><xs:complexType/></xs:element>
      </xs:sequence>
      <xs:attribute name="version" type="xs:string" use="required"/>
    </xs:complexType>
  </xs:element>
</xs:schema>
"""

_METADATA_ORDER = (
    "Title", "Artist", "Album", "OriginalArtist", "Composer", "Songwriter", "Producer", "Arranger",
    "Year", "Genre", "Copyright", "Website", "Comment",
)  # fmt: skip

_METADATA_ELEMENTS = [
    f'<xs:element name="{name}" type="xs:string" minOccurs="0"/>' for name in _METADATA_ORDER
]

_METADATA = f"""
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:element name="MetaData">
    <xs:complexType>
      <xs:sequence>
        {"".join(_METADATA_ELEMENTS)}
      </xs:sequence>
    </xs:complexType>
  </xs:element>
</xs:schema>
"""


def list_project_faults(xml: bytes) -> list[str]:
    """Return what breaks the rules in a project.xml."""
    return _list_faults(_PROJECT, xml) + _list_id_faults(ET.fromstring(xml))


def list_metadata_faults(xml: bytes) -> list[str]:
    """Return what breaks the rules in a metadata.xml."""
    return _list_faults(_METADATA, xml)


def _list_faults(rules: str, xml: bytes) -> list[str]:
    schema = etree.XMLSchema(etree.fromstring(rules))
    schema.validate(etree.fromstring(xml))
    return [str(entry.message) for entry in schema.error_log]


def _list_id_faults(project: ET.Element) -> list[str]:
    """Return ids that are there twice, and references to none or to another kind of element."""
    with_ids = [element for element in project.iter() if "id" in element.attrib]
    kinds = {element.attrib["id"]: element.tag for element in with_ids}
    faults = ["an id is there twice"] if len(kinds) < len(with_ids) else []
    for element in project.iter():
        for attribute, kind in (("destination", "Channel"), ("track", "Track")):
            target = element.get(attribute)
            if target is not None and kinds.get(target) != kind:
                faults.append(f"{attribute} of {element.tag} is {target}, which is no {kind}")
    return faults
